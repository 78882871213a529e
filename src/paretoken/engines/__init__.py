"""How serving engines are started, made ready, watched and stopped."""
