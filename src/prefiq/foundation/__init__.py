"""Runtime base classes: entity, services, repositories, hooks, policy, events."""
