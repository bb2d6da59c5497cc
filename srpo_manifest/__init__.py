"""A declarative orchestrator for SRPO and its relatives."""

__version__ = "0.1.0"
