//! Nothing here: the integration binary is `it/`.
