//! How a frame becomes the frozen channels that the rule looks at.
