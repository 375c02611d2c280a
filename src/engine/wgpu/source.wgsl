
// A pixel in each word, red in the lowest byte.
@group(0) @binding(0) var<storage, read> frame: array<u32>;
@group(0) @binding(1) var<storage, read_write> frozen: array<f32>;

// The frozen channels of a frame, as `crate::source` defines them.
@compute @workgroup_size(32, 4)
fn source(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= WIDTH || id.y >= HEIGHT {
        return;
    }
    let at = id.y * WIDTH + id.x;
    let pixel = frame[at];
    for (var colour = 0u; colour < 3u; colour++) {
        let sample = f32(pixel >> (8u * colour) & 0xffu);
        frozen[colour * PIXELS + at] = sample * (1.0 / 255.0) - 0.5;
    }
    for (var channel = 0u; channel < FROZEN - 3u; channel++) {
        frozen[(channel + 3u) * PIXELS + at] = shift_shuffle(channel, id.x, id.y);
    }
}

// How far, in shifts along y and x, each of the eight halved pictures is rolled.
const ROLLS = array<vec2<i32>, 8>(
    vec2(-1, 0), vec2(0, -1), vec2(1, 0), vec2(0, 1), vec2(1, 1), vec2(-1, 1), vec2(-1, -1), vec2(1, -1),
);

const EVEN_WIDTH = (WIDTH + 1u) / 2u * 2u;
const EVEN_HEIGHT = (HEIGHT + 1u) / 2u * 2u;

fn shift_shuffle(channel: u32, x: u32, y: u32) -> f32 {
    let shift = 2 + i32(channel / 2u);
    var rolls = ROLLS;
    let roll = rolls[channel % 2u * 4u + y % 2u * 2u + x % 2u] * shift;
    // Rolls reach 4 pixels far, further than the smallest pictures are wide.
    let row = u32(i32(y / 2u * 2u + 4u * EVEN_HEIGHT) - roll.x) % EVEN_HEIGHT;
    let column = u32(i32(x / 2u * 2u + 4u * EVEN_WIDTH) - roll.y) % EVEN_WIDTH;
    let below = (row + 1u) % EVEN_HEIGHT;
    let right = (column + 1u) % EVEN_WIDTH;
    let left_mean = 0.5 * (grey(column, row) + grey(column, below));
    let right_mean = 0.5 * (grey(right, row) + grey(right, below));
    return 0.5 * (left_mean + right_mean) - 0.5;
}

// Brightness in [0, 1]; the last column and row are repeated where the size is odd.
fn grey(x: u32, y: u32) -> f32 {
    let pixel = frame[min(y, HEIGHT - 1u) * WIDTH + min(x, WIDTH - 1u)];
    let rgb = vec3<f32>(vec3(pixel, pixel >> 8u, pixel >> 16u) & vec3(0xffu));
    return (0.2989 * rgb.r + 0.587 * rgb.g + 0.114 * rgb.b) / 255.0;
}
