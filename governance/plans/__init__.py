"""Plans that policies state, and the control plane carries out."""
