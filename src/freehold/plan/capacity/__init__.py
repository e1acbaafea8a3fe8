"""How fast a deployment works, with its uncertainty: layouts, predictions, simulation."""
