"""Microsoft Presidio in a process of its own: a line of JSON in (a text), a line of JSON out (the entities found in it).

Run by path, as a program, with the interpreter of whatever environment has Presidio: it imports nothing of ours. It may not reach
the network. Two things in Presidio would: its e-mail recogniser fetches the public suffix list on first use, and its engine
downloads a language model that is not there. The first gets the list that its library ships, the second a loaded model; whatever
else tried would be refused. It ends when its input does.
"""

import importlib
import json
import os
import sys
from typing import Any

_REFUSED = frozenset({"socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"})


def main() -> None:
    """Arguments: language, spaCy model (empty: none), least score. The first line out says that it is ready."""
    language, model, least_score = sys.argv[1], sys.argv[2], float(sys.argv[3])
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as replies:
        os.dup2(2, 1)  # a library that prints must not write into the replies
        sys.addaudithook(_refuse_network)
        engine = loaded(language, model)
        replies.write("ready\n")
        replies.flush()
        for line in sys.stdin:
            found = engine.analyze(json.loads(line), language=language, score_threshold=least_score)
            replies.write(json.dumps(sorted({one.entity_type for one in found})) + "\n")
            replies.flush()


def loaded(language: str, model: str) -> Any:
    """Presidio's analyser: the recognisers of the language, with that spaCy model or, without one, a plain tokenizer."""
    analyzer, spacy, tldextract = (importlib.import_module(name) for name in ("presidio_analyzer", "spacy", "tldextract"))
    nlp = analyzer.nlp_engine.SpacyNlpEngine(models=[{"lang_code": language, "model_name": model or "blank"}])
    nlp.nlp = {language: spacy.load(model) if model else spacy.blank(language)}
    registry = analyzer.RecognizerRegistry(supported_languages=[language])
    registry.load_predefined_recognizers(languages=[language], nlp_engine=nlp)
    if not model:
        registry.recognizers = [one for one in registry.recognizers if one.name != "SpacyRecognizer"]
    shipped = tldextract.TLDExtract(cache_dir=None, suffix_list_urls=())
    for one in registry.recognizers:
        if "EMAIL_ADDRESS" in one.supported_entities:
            one.validate_result = lambda text: shipped(text).fqdn != ""
    return analyzer.AnalyzerEngine(registry=registry, nlp_engine=nlp, supported_languages=[language])


def _refuse_network(event: str, arguments: tuple[Any, ...]) -> None:
    if event in _REFUSED:
        raise PermissionError("a text to be judged stays in this process")


if __name__ == "__main__":
    main()
