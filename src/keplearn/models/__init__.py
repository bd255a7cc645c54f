"""The models: feature layers, output layers and activations by name, and the neural ODE made of them."""
