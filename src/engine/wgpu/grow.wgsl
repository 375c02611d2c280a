
@group(0) @binding(0) var<storage, read> distrust: array<f32>;
@group(0) @binding(1) var<storage, read> next: array<f32>;
@group(0) @binding(2) var<storage, read_write> cells: array<f32>;

// Takes a step over into the state, the less the more a pixel's motion is believed.
@compute @workgroup_size(32, 4)
fn grow(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= WIDTH || id.y >= HEIGHT {
        return;
    }
    let at = id.y * WIDTH + id.x;
    let weight = distrust[at];
    if weight > 0.0 {
        for (var channel = 0u; channel < UPDATED; channel++) {
            let i = channel * PIXELS + at;
            cells[i] += weight * (next[i] - cells[i]);
        }
    }
}
