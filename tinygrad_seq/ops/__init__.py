"""The primitives, one file per family; each states its forward function, VJP and JVP together."""
