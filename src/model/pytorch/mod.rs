//! PyTorch's `.pt` files: a zip archive of a pickle and the memory of its tensors.

mod archive;
mod pickle;
mod reader;
mod writer;

pub(super) use reader::read;
pub(super) use writer::write;
