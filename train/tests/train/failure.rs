//! What libtorch cannot do.

use std::panic;

use nca_train::{TrainError, caught};
use tch::{Device, Kind, Tensor};

#[test]
fn too_much_memory_is_an_error() {
    let caught = caught(|| Tensor::zeros([1 << 52], (Kind::Float, Device::Cpu)));
    let error = caught.unwrap_err();
    assert!(matches!(error, TrainError::OutOfMemory(_)), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("--size"), "{text}");
    assert!(!text.contains("\\n") && !text.contains("Torch("), "{text}");
}

#[test]
fn other_failures_keep_their_first_line() {
    let a = Tensor::zeros([2, 3], (Kind::Float, Device::Cpu));
    let error = caught(|| a.matmul(&a)).unwrap_err();
    assert!(matches!(error, TrainError::Torch(_)), "{error:?}");
    assert!(error.to_string().contains("2x3"), "{error}");
}

#[test]
fn other_panics_are_let_through() {
    let outcome = panic::catch_unwind(|| caught(|| panic!("ours")));
    assert!(outcome.is_err());
    assert_eq!(caught(|| 7).unwrap(), 7);
}
