"""How much of the flow to a target passes each channel."""
