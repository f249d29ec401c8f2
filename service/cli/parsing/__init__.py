"""What the parsers of the commands share: help with examples, errors of one sentence, kinds of arguments; nothing heavy."""
