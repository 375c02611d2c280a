
// Low and high half of the seed.
@group(0) @binding(0) var<storage, read> seed: array<u32, 2>;
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
        cells[at] = noise(FROZEN + id.z, id.y, id.x);
    }
}

// `crate::noise::uniform`, to the bit.
fn noise(channel: u32, y: u32, x: u32) -> f32 {
    var v = vec4(x, y, channel ^ seed[0], seed[1] ^ 0x9e3779b9u) * 1664525u + 1013904223u;
    v.x += v.y * v.w;
    v.y += v.z * v.x;
    v.z += v.x * v.y;
    v.w += v.y * v.z;
    v ^= v >> vec4(16u);
    v.x += v.y * v.w;
    return f32(v.x >> 8u) / 16777216.0 - 0.5;
}
