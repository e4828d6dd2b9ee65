//! One look, one turn, and carrying out one entry, over three traits.
