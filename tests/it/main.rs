//! One integration binary over the real stack.
