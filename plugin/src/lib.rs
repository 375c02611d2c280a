//! GStreamer plugin: restyles live video with a trained neural cellular automaton.
