//! End-to-end cases and the rules over the whole workspace.
