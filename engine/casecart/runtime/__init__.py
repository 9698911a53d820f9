"""Channels, journal, backlog and dispatchers at work between listeners and destinations."""
