//! The text of the kernel that computes a step, made to measure for an architecture.

use std::fmt::Write;

use super::shader::Geometry;
use super::tiling::{QUAD, Rule, SharedLayer, THREADS, Tiling};
use crate::model::Architecture;

/// The kernel in WGSL. `half`: panels, weights and the sums of hidden layers are f16.
pub(super) fn kernel(
    geometry: &Geometry,
    architecture: &Architecture,
    tiling: Tiling,
    rule: &Rule,
    half: bool,
) -> String {
    let blurred = architecture.blurs.iter().fold(0_u64, |mask, blur| {
        mask | 1 << (blur.channel - architecture.frozen())
    });
    let mut text = String::from(match half {
        true => "enable f16;\nalias Values = vec4<f16>;\n",
        false => "alias Values = vec4<f32>;\n",
    });
    text.push_str(&geometry.text());
    text.push_str(&tiling.text(geometry.size));
    for (name, value) in [
        ("GROUPS", tiling.groups()),
        ("SHARES", tiling.shares()),
        ("ROWS", tiling.rows),
        ("THREADS", THREADS),
        // The updated channels whose blur is in `next` already, a bit for each.
        ("BLURRED_LOW", (blurred & 0xffff_ffff) as usize),
        ("BLURRED_HIGH", (blurred >> 32) as usize),
    ] {
        let _ = writeln!(text, "const {name} = {value}u;");
    }
    text + &include_str!("step.wgsl").replace("/* layers */", &layers(rule))
}

/// What follows on perception.
fn layers(rule: &Rule) -> String {
    let mut text = String::new();
    let last = rule.layers.len() - 1;
    for (i, layer) in rule.layers.iter().enumerate() {
        text.push_str("{\n");
        push_sums(&mut text, layer);
        match i == last {
            false => push_rectified(&mut text, layer),
            true => push_update(&mut text, layer),
        }
        text.push_str("    }\n    ");
    }
    text
}

/// Weighs the panel for the outputs of a thread, into `sum0` and so on.
fn push_sums(text: &mut String, layer: &SharedLayer) {
    let SharedLayer {
        input_quads,
        rows,
        outputs,
        start,
    } = layer;
    let quads = layer.quads();
    for o in 0..*outputs {
        let _ = writeln!(text, "        var sum{o}: Values;");
    }
    let _ = writeln!(text, "        let first = share * {outputs}u;");
    // Threads beyond the last output have nothing to do.
    let _ = writeln!(text, "        if first < {rows}u {{");
    let _ = writeln!(text, "            var w = {start}u + share * {quads}u;");
    for o in 0..*outputs {
        let (quad, lane) = (o / QUAD, o % QUAD);
        let _ = writeln!(
            text,
            "            sum{o} = Values(weights[w + {quad}u][{lane}]);"
        );
    }
    let _ = writeln!(text, "            w += {}u;", outputs.div_ceil(QUAD));
    let _ = writeln!(
        text,
        "            for (var quad = 0u; quad < {input_quads}u; quad++) {{"
    );
    text.push_str("                let at = quad * 4u * GROUPS + group;\n");
    for lane in 0..QUAD {
        let _ = writeln!(
            text,
            "                let v{lane} = panel[at + {lane}u * GROUPS];"
        );
    }
    for o in 0..*outputs {
        let _ = writeln!(text, "                let w{o} = weights[w + {o}u];");
    }
    for lane in 0..QUAD {
        for o in 0..*outputs {
            let _ = writeln!(
                text,
                "                sum{o} = fma(Values(w{o}[{lane}]), v{lane}, sum{o});"
            );
        }
    }
    let _ = writeln!(text, "                w += {outputs}u;");
    text.push_str("            }\n        }\n");
}

/// The sums of a hidden layer replace its inputs.
fn push_rectified(text: &mut String, layer: &SharedLayer) {
    text.push_str("        workgroupBarrier();\n");
    for o in 0..layer.outputs {
        let _ = writeln!(
            text,
            "        if first + {o}u < {}u {{ panel[(first + {o}u) * GROUPS + group] = \
             max(sum{o}, Values()); }}",
            layer.rows
        );
    }
    text.push_str("        workgroupBarrier();\n");
}

/// Adds the sums of the last layer to the state.
fn push_update(text: &mut String, layer: &SharedLayer) {
    for o in 0..layer.outputs {
        let _ = writeln!(text, "        add(x, y, first + {o}u, vec4<f32>(sum{o}));");
    }
}
