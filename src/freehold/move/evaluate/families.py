"""Which line of models a model is of, by the words in its name: a judge must not be of the same as what it judges."""

import re

from freehold.core.errors import BadSettings

STATED = "family:"
# Names that a line of models is sold or published under. One distilled into another has words of both, and counts as both.
_FAMILIES = {
    "openai": "gpt chatgpt o1 o3 o4 davinci codex",
    "anthropic": "claude",
    "google": "gemini gemma palm",
    "meta": "llama codellama",
    "qwen": "qwen qwq qvq",
    "mistral": "mistral mixtral ministral codestral devstral magistral pixtral zephyr",
    "deepseek": "deepseek",
    "microsoft": "phi",
    "cohere": "command aya",
    "xai": "grok",
    "amazon": "nova titan",
    "zhipu": "glm chatglm",
    "moonshot": "kimi moonlight",
    "ibm": "granite",
    "nvidia": "nemotron",
    "ai2": "olmo",
    "tii": "falcon",
    "huggingface": "smollm",
    "minimax": "minimax",
    "01": "yi",
    "baidu": "ernie",
}
_FAMILY_OF = {word: family for family, words in _FAMILIES.items() for word in words.split()}
_WORD = re.compile(r"o[134](?![0-9])|[a-z]+")


def families(model: str) -> frozenset[str]:
    """At least one; a model says its own as `family:NAME`. Raises BadSettings where the name says none."""
    if model.startswith(STATED) and model != STATED:
        return frozenset({model.removeprefix(STATED).strip().lower()})
    found = frozenset(_FAMILY_OF[word] for word in _WORD.findall(model.lower()) if word in _FAMILY_OF)
    if not found:
        mend = f"name the model it was made from, or write {STATED}NAME"
        raise BadSettings(f"{model!r} does not say which family of models it is of; {mend}")
    return found
