"""Facts and how to look them up: API prices, GPUs, models. Data with source and date; the code is a matcher."""
