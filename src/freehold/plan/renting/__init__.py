"""What an API bill will say, request by request."""
