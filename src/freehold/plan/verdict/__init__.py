"""The checklist, question by question, and the one verdict it gives."""
