// The whole network on a GPU: tiles of several sizes, and a training step.
