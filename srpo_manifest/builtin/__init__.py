"""The built-in answers to every stage: no different from a plugin's."""
