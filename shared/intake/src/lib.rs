//! Bytes of one kind of event to a fact, a hint or a refusal.
