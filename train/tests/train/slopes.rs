//! Gradients against differences.

use nca::model::Model;
use nca_train::rule::automaton::{Automaton, Gradients};
use tch::Device;

/// A step along the gradient of each parameter changes the loss by the gradient's length.
pub fn assert_are_slopes(
    name: &str,
    model: &Model,
    gradients: &Gradients,
    loss: impl Fn(&Automaton) -> f64,
) {
    let automaton = Automaton::of(model, Device::Cpu);
    let parameters = automaton.parameters();
    assert_eq!(parameters.len(), gradients.len(), "{name}");
    for ((parameter, value), gradient) in parameters.iter().zip(gradients) {
        let length = gradient.norm().double_value(&[]);
        let step = 2e-3 * value.norm().double_value(&[]).max(0.1) / length;
        let moved = |by: f64| {
            let moved = Automaton::of(model, Device::Cpu);
            for (name, value) in moved.parameters() {
                if name == *parameter {
                    let _ = value.shallow_clone().g_add_(&(gradient * by));
                }
            }
            loss(&moved)
        };
        let slope = (moved(step) - moved(-step)) / (2.0 * step * length);
        println!("{name} {parameter}: {slope} and {length}");
        assert!(
            (slope / length - 1.0).abs() < 0.03,
            "{name} {parameter}: {slope} instead of {length}"
        );
    }
}
