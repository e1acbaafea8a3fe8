"""Hours in minutes: the gateway with everything on and providers that fail, watched for leaks, its ledger held against theirs."""
