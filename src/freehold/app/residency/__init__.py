"""The residency report: where data of each class went, judged from the ledger alone, by what was in force at the time."""
