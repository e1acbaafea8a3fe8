"""What is not certain: ranges, draws, the coming week and year, whether the move pays."""
