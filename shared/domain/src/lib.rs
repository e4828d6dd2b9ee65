//! The pure core: every rule of Lastgood, and nothing that touches the world.
