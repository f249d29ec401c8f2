"""The parsers of the commands, and what they share: help with examples, errors of one sentence, kinds of arguments; nothing heavy."""
