"""Texts for people whose parts every language can make whole."""

from telemetry.sentences.sentence import Sentence, Value, are_parts, changed, parts_of, sentence_of, with_parts

__all__ = ["Sentence", "Value", "are_parts", "changed", "parts_of", "sentence_of", "with_parts"]
