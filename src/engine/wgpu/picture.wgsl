
struct Results {
    not_finite: u32,
    pixels: array<u32>,
}

@group(0) @binding(0) var<storage, read> cells: array<f32>;
@group(0) @binding(1) var<storage, read_write> results: Results;

// The output channels as samples, a pixel in each word, red in the lowest byte.
@compute @workgroup_size(32, 4)
fn picture(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= WIDTH || id.y >= HEIGHT {
        return;
    }
    let at = id.y * WIDTH + id.x;
    let values = vec3(cells[at], cells[PIXELS + at], cells[2u * PIXELS + at]);
    let samples = vec3<u32>(clamp((values + 0.5) * 255.0, vec3(0.0), vec3(255.0)) + 0.5);
    results.pixels[at] = samples.r | samples.g << 8u | samples.b << 16u;
}
