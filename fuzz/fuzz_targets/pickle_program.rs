//! Any program for the pickle's machine, in an archive as `torch.save` writes it.

#![no_main]

mod check;

#[path = "../../tests/common/attacks.rs"]
#[allow(dead_code, reason = "only what assembles a file is used")]
mod attacks;

use attacks::{Pickle, Zip};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;

/// Longest pickle that is made; longer ones are refused at once.
const MAX_PICKLE: usize = 1 << 18;

#[derive(Arbitrary, Debug)]
enum Step {
    Op(Op),
    /// A few opcodes many times over.
    Repeat(u16, [Op; 3]),
}

#[derive(Arbitrary, Clone, Debug)]
enum Op {
    /// One that is an opcode and nothing else.
    Bare(Bare),
    Int(i32),
    Byte(u8),
    Long(Vec<u8>),
    Text(Word),
    Get(u8),
    Put(u8),
    Global(Callable),
    /// A storage, on the stack.
    Storage(Number, u8),
    /// A tensor of this place in one, likewise.
    Tensor(Number, u8, u8, Vec<u16>, Vec<u16>),
    /// The name of a tensor and the tensor, as a model has them.
    Weight(u8),
    Bias(u8),
    /// An object of a class, without state.
    Object,
    Any(u8),
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Bare {
    Mark,
    Pop,
    None,
    EmptyTuple,
    EmptyList,
    EmptyDict,
    EmptySet,
    Tuple,
    Tuple1,
    Tuple2,
    Tuple3,
    Append,
    Appends,
    AddItems,
    SetItem,
    SetItems,
    Memoize,
    StackGlobal,
    PersistentId,
    NewObject,
    Build,
    Reduce,
}

#[derive(Arbitrary, Clone, Debug)]
enum Word {
    Modules,
    Parameters,
    StateDict,
    Config,
    Description,
    Wrapper,
    Layer(u8),
    Key(u8),
    Storage,
    Long(u16),
    Any(String),
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Callable {
    Tensor,
    Parameter,
    OrderedDict,
    Set,
    Class,
    Storage(Number),
    Forbidden,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Number {
    F32,
    F64,
    F16,
    Bf16,
    Int,
}

impl Number {
    fn class(self) -> &'static str {
        match self {
            Self::F32 => "FloatStorage",
            Self::F64 => "DoubleStorage",
            Self::F16 => "HalfStorage",
            Self::Bf16 => "BFloat16Storage",
            Self::Int => "LongStorage",
        }
    }
}

impl Bare {
    fn opcode(self) -> u8 {
        match self {
            Self::Mark => b'(',
            Self::Pop => b'0',
            Self::None => b'N',
            Self::EmptyTuple => b')',
            Self::EmptyList => b']',
            Self::EmptyDict => b'}',
            Self::EmptySet => 0x8f,
            Self::Tuple => b't',
            Self::Tuple1 => 0x85,
            Self::Tuple2 => 0x86,
            Self::Tuple3 => 0x87,
            Self::Append => b'a',
            Self::Appends => b'e',
            Self::AddItems => 0x90,
            Self::SetItem => b's',
            Self::SetItems => b'u',
            Self::Memoize => 0x94,
            Self::StackGlobal => 0x93,
            Self::PersistentId => b'Q',
            Self::NewObject => 0x81,
            Self::Build => b'b',
            Self::Reduce => b'R',
        }
    }
}

/// Of 12 channels and a hidden layer of 4: 48 -> 4 -> 9.
const DESCRIPTION: &str =
    r#"{"format":1,"architecture":{"channels":12,"source":"rgb","hidden":[4]}}"#;
const SHAPES: [[i32; 2]; 2] = [[4, 48], [9, 4]];

fn tensor(
    pickle: Pickle,
    number: Number,
    key: u8,
    offset: i32,
    shape: &[i32],
    strides: &[i32],
) -> Pickle {
    let tuple = |pickle: Pickle, values: &[i32]| {
        let pickle = pickle.op(b"(");
        let pickle = values
            .iter()
            .fold(pickle, |pickle, &value| pickle.int(value));
        pickle.op(b"t")
    };
    let pickle = pickle.global("torch._utils", "_rebuild_tensor_v2").op(b"(");
    let pickle = pickle.storage(number.class(), &(key % 3).to_string(), 1);
    let pickle = tuple(tuple(pickle.int(offset), shape), strides);
    pickle.op(b"tR")
}

fn word(pickle: Pickle, word: &Word) -> Pickle {
    match word {
        Word::Modules => pickle.text("_modules"),
        Word::Parameters => pickle.text("_parameters"),
        Word::StateDict => pickle.text("state_dict"),
        Word::Config => pickle.text("config"),
        Word::Description => pickle.text(DESCRIPTION),
        Word::Wrapper => pickle.text("module"),
        Word::Layer(number) => pickle.text(&format!("w{}", number % 4)),
        Word::Key(key) => pickle.text(&(key % 3).to_string()),
        Word::Storage => pickle.text("storage"),
        Word::Long(length) => pickle.text(&"n".repeat((*length).into())),
        Word::Any(text) => pickle.text(text),
    }
}

fn op(pickle: Pickle, op: &Op) -> Pickle {
    match op {
        Op::Bare(bare) => pickle.op(&[bare.opcode()]),
        Op::Int(value) => pickle.int(*value),
        Op::Byte(value) => pickle.op(&[b'K', *value]),
        Op::Long(bytes) => {
            let bytes = &bytes[..bytes.len().min(255)];
            pickle.op(&[0x8a, bytes.len() as u8]).op(bytes)
        }
        Op::Text(text) => word(pickle, text),
        Op::Get(key) => pickle.op(&[b'h', key % 8]),
        Op::Put(key) => pickle.op(&[b'q', key % 8]),
        Op::Global(callable) => match callable {
            Callable::Tensor => pickle.global("torch._utils", "_rebuild_tensor_v2"),
            Callable::Parameter => pickle.global("torch._utils", "_rebuild_parameter"),
            Callable::OrderedDict => pickle.global("collections", "OrderedDict"),
            Callable::Set => pickle.global("builtins", "set"),
            Callable::Class => pickle.global("__main__", "CA"),
            Callable::Storage(number) => pickle.global("torch", number.class()),
            Callable::Forbidden => pickle.global("os", "system"),
        },
        Op::Storage(number, key) => pickle.storage(number.class(), &(key % 3).to_string(), 1),
        Op::Tensor(number, key, offset, shape, strides) => {
            let [shape, strides] = [shape, strides].map(|lengths| {
                let lengths = lengths.iter().map(|&length| length.into());
                lengths.take(100).collect::<Vec<i32>>()
            });
            tensor(pickle, *number, *key, (*offset).into(), &shape, &strides)
        }
        Op::Weight(number) => {
            let number = usize::from(number % 2);
            let [outputs, inputs] = SHAPES[number];
            let pickle = pickle.text(&format!("w{}.weight", number + 1));
            tensor(pickle, Number::F32, 2, 0, &[outputs, inputs], &[inputs, 1])
        }
        Op::Bias(number) => {
            let number = usize::from(number % 2);
            let pickle = pickle.text(&format!("w{}.bias", number + 1));
            tensor(pickle, Number::F32, 2, 0, &SHAPES[number][..1], &[1])
        }
        Op::Object => pickle.object(),
        Op::Any(byte) => pickle.op(&[*byte]),
    }
}

fuzz_target!(|steps: Vec<Step>| {
    let mut pickle = Pickle::new();
    for step in &steps {
        match step {
            Step::Op(one) => pickle = op(pickle, one),
            Step::Repeat(times, ops) => {
                let few = ops.iter().fold(Pickle(Vec::new()), op).0;
                let room = MAX_PICKLE.saturating_sub(pickle.0.len());
                // Rarely as often as it can be, which is slow.
                let times = usize::from(times >> (times & 15));
                let times = times.min(room / few.len().max(1));
                pickle = pickle.repeat(&few, times);
            }
        }
        if pickle.0.len() > MAX_PICKLE {
            break;
        }
    }
    let mut zip = Zip::default();
    zip.file("archive/data.pkl", &pickle.op(b".").0);
    for (key, bytes) in [(0, 64), (1, 8), (2, 4 * 4 * 48)] {
        zip.file(&format!("archive/data/{key}"), &vec![0; bytes]);
    }
    check::check(&zip.finish());
});
