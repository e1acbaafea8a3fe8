"""Why keys of LiteLLM's have no counterpart here, or need none: one sentence each, by section."""

from collections.abc import Mapping


def _all(names: str, why: str) -> dict[str, str]:
    return dict.fromkeys(names.split(), why)


_CALLER = "requests are relayed as the caller wrote them; set it in the caller"
_RETRY = "a target is tried once, then the next one of the workload; bounds.attempts says how many"
_COOL = "a target cools down by itself after failures, and as long as its Retry-After says"
_BOUNDS = "bounds.first_token_s, idle_s and whole_s hold for all targets"
_LEDGER = "every call is in the ledger, whatever listens; see freehold export and /metrics"
_DATABASE = "the ledger is freehold.db, or PostgreSQL with store: postgresql+env:NAME; nothing of LiteLLM's database is read"
_CACHE = "answers are not cached"
_REDIS = "one gateway counts in memory; several share limits.store: redis+env:NAME and a ledger in PostgreSQL"
_CLOUD = "key: is the one credential of a target"
_CONTENT = "no prompt and no answer is kept or logged, unless a workload says keep_content"
_HEALTH = "targets are judged by the calls they get; nothing is sent to them that costs money"
_ROUTING = "a workload's targets are tried in order; the order is that of order, then weight, then the file"
_FAIL_CLOSED = "about money and keys everything fails closed"
_REFUSALS = "what a model refuses for its content is not sent to another"

PARAMS: Mapping[str, str] = {
    **_all("temperature top_p max_tokens max_completion_tokens seed stop n", _CALLER),
    **_all("presence_penalty frequency_penalty reasoning_effort thinking stream user", _CALLER),
    **_all("extra_body extra_headers headers drop_params additional_drop_params", _CALLER),
    **_all("num_retries max_retries", _RETRY),
    **_all("timeout stream_timeout", _BOUNDS),
    **_all("aws_access_key_id aws_secret_access_key aws_session_token aws_role_name", _CLOUD),
    **_all("vertex_project vertex_location vertex_credentials aws_region_name organization", _CLOUD),
    **_all("max_budget budget_duration", "a budget is that of a key, team, user or workload: see budgets"),
    "api_version": "no request carries it; a provider that needs one has its own",
    "cooldown_time": _COOL,
    "input_cost_per_second": "calls are billed by tokens",
    "mock_response": "every answer comes from a target; freehold lab has stand-ins",
    "silent_model": "no copy of a request is sent anywhere",
    "tags": "a workload takes the place of tags: name it in model or x-freehold-workload",
    "use_in_pass_through": "nothing is passed through unread",
}
INFO: Mapping[str, str] = {
    "access_groups": "keys: workloads says which key may use what",
    "base_model": "it was for the price, which is known without it",
    "db_model": _DATABASE,
    "id": "targets have names",
    "input_cost_per_second": "calls are billed by tokens",
    "max_input_tokens": "context_tokens is of prompt and answer together; add max_output_tokens, or set it in freehold.yaml",
    "max_tokens": "it says of neither prompt nor answer that it is theirs; set max_output_tokens in freehold.yaml",
    "output_cost_per_second": "calls are billed by tokens",
    "supports_parallel_function_calling": "no request needs it; capabilities: single_tool_call says that one call is the most",
    "team_id": "keys: team says whose requests they are",
}
LITELLM: Mapping[str, str] = {
    **_all("num_retries retry_policy max_retries", _RETRY),
    **_all("allowed_fails cooldown_time", _COOL),
    **_all("cache cache_params enable_caching_on_provider_specific_optional_params", _CACHE),
    **_all("success_callback failure_callback callbacks service_callbacks langfuse_default_tags", _LEDGER),
    **_all("audit_log_callbacks s3_callback_params datadog_params", _LEDGER),
    **_all("cost_discount_config cost_margin_config", "state the price of your contract in the target's price"),
    "content_policy_fallbacks": _REFUSALS,
    "drop_params": "unknown fields pass untouched; a target known not to honour one is passed over (capabilities)",
    "enable_json_schema_validation": "an answer is relayed untouched; the target enforces a schema or is not asked for one",
    "force_ipv4": "addresses are taken as the system resolves them",
    "key_generation_settings": "freehold keys makes keys, where the ledger is",
    "max_internal_user_budget": "budgets with scope: user, once users have keys",
    "mcp_aliases": "no MCP servers are served",
    "modify_params": "requests are relayed as the caller wrote them",
    "set_verbose": "the log holds events and ids; there is no louder one",
}
ROUTER: Mapping[str, str] = {
    **_all("num_retries retry_policy model_group_retry_policy retry_after max_fallbacks", _RETRY),
    **_all("allowed_fails cooldown_time allowed_fails_policy disable_cooldowns", _COOL),
    **_all("redis_host redis_port redis_password redis_url redis_db redis_ssl", _REDIS),
    **_all("cache_responses cache_kwargs caching_groups client_ttl", _CACHE),
    **_all("enable_tag_filtering tag_filtering_match_any", "a workload takes the place of tags"),
    **_all("routing_strategy_args optional_pre_call_checks routing_groups", _ROUTING),
    "content_policy_fallbacks": _REFUSALS,
    "default_max_parallel_requests": "concurrency: of each target",
    "enable_pre_call_checks": "context_tokens of a target does it, where it is stated",
    "polling_interval": _HEALTH,
    "provider_budget_config": "a budget is that of a key, team, user or workload: see budgets",
    "set_verbose": "the log holds events and ids; there is no louder one",
}
GENERAL: Mapping[str, str] = {
    **_all("database_url database_type database_connection_pool_limit database_connection_timeout", _DATABASE),
    **_all("store_model_in_db supported_db_objects use_redis_transaction_buffer", _DATABASE),
    **_all("disable_spend_logs disable_spend_updates disable_reset_budget", "every call is in the ledger, always"),
    **_all("maximum_spend_logs_retention_period maximum_spend_logs_retention_interval", "the ledger keeps its entries"),
    **_all("allow_requests_on_db_unavailable proxy_batch_write_at proxy_budget_rescheduler_min_time", _FAIL_CLOSED),
    **_all(
        "alerting alerting_threshold alert_types alerting_args alert_to_webhook_url",
        "signals.webhook tells of changes; /metrics has the rest",
    ),
    **_all("background_health_checks health_check_interval health_check_details", _HEALTH),
    **_all(
        "enable_jwt_auth litellm_jwtauth custom_auth ui_access_mode allowed_routes public_routes",
        "callers have keys of this gateway, with workloads, targets, models and an expiry: see freehold keys",
    ),
    **_all("key_management_system key_management_settings", "secrets enter as env:NAME or file:PATH"),
    **_all(
        "max_parallel_requests global_max_parallel_requests",
        "bounds.in_flight is for all, concurrency of a target, limits.rules of a key",
    ),
    **_all("pass_through_endpoints completion_model infer_model_from_keys", "every request names its model"),
    "disable_master_key_return": "no key is ever shown a second time",
    "enforce_user_param": "keys: user says who sends",
    "forward_client_headers_to_llm_api": "no header of a caller is forwarded",
    "forward_openai_org_id": "no header of a caller is forwarded",
    "max_request_size_mb": "bounds.body_bytes",
    "max_response_size_mb": "bounds.reply_bytes",
    "store_prompts_in_spend_logs": _CONTENT,
}
TOP: Mapping[str, str] = {
    "callback_settings": _LEDGER,
    "credential_list": "secrets enter as env:NAME or file:PATH; none is copied from here",
    "environment_variables": "set it where the gateway is started; no value is copied from here",
    "finetune_settings": "no fine-tuning jobs are served",
    "files_settings": "no files are kept for callers",
    "guardrails": "none of it is in force; what a scan finds in requests is decided under sensitivity:",
    "mcp_servers": "no MCP servers are served",
    "mcp_tools": "no MCP servers are served",
    "prompts": "prompts are the caller's",
    "search_tools": "no search tools are served",
    "vector_store_registry": "no vector stores are served",
}
