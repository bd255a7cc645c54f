"""keplearn: what can a neural ODE learn of orbital dynamics?"""
