
// Low and high half of the seed.
@group(0) @binding(0) var<storage, read> seed: vec2<u32>;
@group(0) @binding(1) var<storage, read> frozen: array<f32>;
@group(0) @binding(2) var<storage, read_write> cells: array<f32>;

// The start state: the picture is the source's, the hidden channels are noise.
@compute @workgroup_size(32, 4)
fn start(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= WIDTH || id.y >= HEIGHT {
        return;
    }
    let at = id.z * PIXELS + id.y * WIDTH + id.x;
    if id.z < 3u {
        cells[at] = frozen[at];
    } else {
        cells[at] = noise(seed, FROZEN + id.z, id.y, id.x);
    }
}
