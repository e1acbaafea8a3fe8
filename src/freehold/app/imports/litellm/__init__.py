"""From LiteLLM's config.yaml to freehold.yaml, with a report of what became of every key: mapped, approximated or ignored."""
