//! Reads pickles as data.
//!
//! Python's pickles are programs for a stack machine that may call anything. This machine calls
//! nothing: a handful of calls that rebuild tensors and dictionaries are understood, objects of
//! any class become their bare state, everything else is refused.

use std::collections::HashMap;

use super::super::FormatError;
use super::super::tensors::Number;

/// Most bytes of pickle that are read; a model's has a few thousand.
pub(super) const MAX_BYTES: usize = 1 << 18;

/// Index of a value. Values hold each other by index, so that nothing recurses over a pickle's
/// nesting and shared parts are never copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Id(usize);

/// A value of a pickle.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// Whatever a model has no use for: None, booleans, floats, bytes.
    Other,
    Int(i64),
    Text(String),
    Sequence(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    /// A name that could be called.
    Global(String),
    /// An object of some class, by the state it was given.
    Object {
        class: String,
        state: Option<Id>,
    },
    Storage(Storage),
    Tensor(TensorPlace),
}

/// The memory that tensors lie in.
#[derive(Clone, Debug)]
pub(super) struct Storage {
    /// Name of its file in the archive.
    pub(super) key: String,
    /// `None`: a type that is not read, by its class's name.
    pub(super) number: Result<Number, String>,
}

/// Where a tensor lies in a storage; lengths in values.
#[derive(Clone, Debug)]
pub(super) struct TensorPlace {
    pub(super) storage: Storage,
    pub(super) offset: usize,
    pub(super) shape: Vec<usize>,
    pub(super) strides: Vec<usize>,
}

/// A pickle that was read.
#[derive(Debug)]
pub(super) struct Pickle {
    values: Vec<Value>,
    /// What the pickle is of.
    pub(super) root: Id,
}

impl Pickle {
    pub(super) fn get(&self, id: Id) -> &Value {
        &self.values[id.0]
    }

    /// What a dictionary holds under a text key; later entries win.
    pub(super) fn entry(&self, dict: &[(Id, Id)], key: &str) -> Option<Id> {
        let found = dict
            .iter()
            .rev()
            .find(|(k, _)| matches!(self.get(*k), Value::Text(k) if k == key));
        found.map(|(_, value)| *value)
    }

    pub(super) fn parse(bytes: &[u8]) -> Result<Self, FormatError> {
        if bytes.len() > MAX_BYTES {
            return Err(broken(&format!("its pickle has {} bytes", bytes.len())));
        }
        let machine = Machine {
            bytes,
            values: Vec::new(),
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
        };
        machine.run()
    }
}

fn broken(what: &str) -> FormatError {
    FormatError::Archive(what.into())
}

struct Machine<'a> {
    /// What is still to be read.
    bytes: &'a [u8],
    values: Vec<Value>,
    stack: Vec<Id>,
    marks: Vec<usize>,
    memo: HashMap<usize, Id>,
}

impl<'a> Machine<'a> {
    fn run(mut self) -> Result<Pickle, FormatError> {
        loop {
            let [opcode] = self.array()?;
            match opcode {
                b'.' => {
                    let root = self.pop()?;
                    return Ok(Pickle {
                        values: self.values,
                        root,
                    });
                }
                0x80 => {
                    let [protocol] = self.array()?;
                    if !(2..=5).contains(&protocol) {
                        return Err(broken(&format!("its pickle has protocol {protocol}")));
                    }
                }
                0x95 => drop(self.array::<8>()?),

                // Plain values.
                b'N' | 0x88 | 0x89 => self.push(Value::Other),
                b'J' => {
                    let value = i32::from_le_bytes(self.array()?);
                    self.push(Value::Int(value.into()));
                }
                b'K' => {
                    let [value] = self.array()?;
                    self.push(Value::Int(value.into()));
                }
                b'M' => {
                    let value = u16::from_le_bytes(self.array()?);
                    self.push(Value::Int(value.into()));
                }
                0x8a => self.long()?,
                b'G' => {
                    self.array::<8>()?;
                    self.push(Value::Other);
                }
                b'X' | b'T' => {
                    let length = u32::from_le_bytes(self.array()?);
                    self.text(length.into())?;
                }
                0x8c | b'U' => {
                    let [length] = self.array()?;
                    self.text(length.into())?;
                }
                0x8d => {
                    let length = u64::from_le_bytes(self.array()?);
                    self.text(length)?;
                }
                b'C' => {
                    let [length] = self.array()?;
                    self.take(length.into())?;
                    self.push(Value::Other);
                }
                b'B' => {
                    let length = u32::from_le_bytes(self.array()?);
                    self.take(length.into())?;
                    self.push(Value::Other);
                }

                // Sequences and dictionaries.
                b'(' => self.marks.push(self.stack.len()),
                b')' | b']' | 0x8f => self.push(Value::Sequence(Vec::new())),
                b'}' => self.push(Value::Dict(Vec::new())),
                b't' => {
                    let items = self.pop_marked()?;
                    self.push(Value::Sequence(items));
                }
                0x85..=0x87 => {
                    let count = usize::from(opcode - 0x84);
                    let items = self.pop_many(count)?;
                    self.push(Value::Sequence(items));
                }
                b'a' => {
                    let item = self.pop()?;
                    self.append(vec![item])?;
                }
                b'e' | 0x90 => {
                    let items = self.pop_marked()?;
                    self.append(items)?;
                }
                b's' => {
                    let items = self.pop_many(2)?;
                    self.set_items(&items)?;
                }
                b'u' => {
                    let items = self.pop_marked()?;
                    self.set_items(&items)?;
                }

                // The memo.
                b'q' => {
                    let [key] = self.array()?;
                    self.memoize(key.into())?;
                }
                b'r' => {
                    let key = u32::from_le_bytes(self.array()?);
                    self.memoize(key as usize)?;
                }
                0x94 => self.memoize(self.memo.len())?,
                b'h' => {
                    let [key] = self.array()?;
                    self.recall(key.into())?;
                }
                b'j' => {
                    let key = u32::from_le_bytes(self.array()?);
                    self.recall(key as usize)?;
                }
                b'0' => drop(self.pop()?),

                // Names, objects and calls.
                b'c' => {
                    let module = self.line()?;
                    let name = self.line()?;
                    self.push(Value::Global(format!("{module}.{name}")));
                }
                0x93 => {
                    let names = self.pop_many(2)?;
                    let [module, name] = self.texts(&names)?;
                    self.push(Value::Global(format!("{module}.{name}")));
                }
                b'Q' => {
                    let id = self.pop()?;
                    let storage = self.storage(id)?;
                    self.push(Value::Storage(storage));
                }
                0x81 => {
                    let class_and_arguments = self.pop_many(2)?;
                    let class = self.global(class_and_arguments[0])?;
                    self.push(Value::Object { class, state: None });
                }
                b'b' => {
                    let given = self.pop()?;
                    let object = self.top()?;
                    // Attributes of dictionaries, such as `_metadata`, are of no use.
                    if let Value::Object { state, .. } = &mut self.values[object.0] {
                        *state = Some(given);
                    }
                }
                b'R' => {
                    let arguments = self.pop()?;
                    let function = self.pop()?;
                    let value = self.call(function, arguments)?;
                    self.push(value);
                }
                other => {
                    return Err(broken(&format!("its pickle has the opcode {other:#04x}")));
                }
            }
        }
    }

    /// What the calls that a model's pickle has would return.
    fn call(&self, function: Id, arguments: Id) -> Result<Value, FormatError> {
        let function = self.global(function)?;
        let arguments = self.sequence(arguments)?;
        let argument = |i: usize| {
            let id = arguments.get(i).copied();
            id.ok_or_else(|| broken(&format!("its pickle calls {function} with too little")))
        };
        match function.as_str() {
            "torch._utils._rebuild_tensor_v2" => {
                let Value::Storage(storage) = &self.values[argument(0)?.0] else {
                    return Err(broken("its pickle has a tensor without memory"));
                };
                Ok(Value::Tensor(TensorPlace {
                    storage: storage.clone(),
                    offset: self.length(argument(1)?)?,
                    shape: self.lengths(argument(2)?)?,
                    strides: self.lengths(argument(3)?)?,
                }))
            }
            "torch._utils._rebuild_parameter" | "torch._utils._rebuild_parameter_with_state" => {
                match &self.values[argument(0)?.0] {
                    tensor @ Value::Tensor(_) => Ok(tensor.clone()),
                    _ => Err(broken("its pickle has a parameter that is no tensor")),
                }
            }
            "collections.OrderedDict" => {
                let mut items = Vec::new();
                if let Some(&pairs) = arguments.first() {
                    for &pair in self.sequence(pairs)? {
                        match *self.sequence(pair)? {
                            [key, value] => items.push((key, value)),
                            _ => return Err(broken("its pickle has a broken dictionary")),
                        }
                    }
                }
                Ok(Value::Dict(items))
            }
            "builtins.set" | "__builtin__.set" => Ok(Value::Other),
            _ => Err(FormatError::ForbiddenCall(function)),
        }
    }

    /// The storage that ('storage', class, key, device, length) names.
    fn storage(&self, id: Id) -> Result<Storage, FormatError> {
        let parts = self.sequence(id)?;
        let (Some(&class), Some(&key)) = (parts.get(1), parts.get(2)) else {
            return Err(broken("its pickle names memory in an unknown way"));
        };
        let class = self.global(class)?;
        let [key] = self.texts(&[key])?;
        let number = match class.as_str() {
            "torch.FloatStorage" => Ok(Number::F32),
            "torch.DoubleStorage" => Ok(Number::F64),
            "torch.HalfStorage" => Ok(Number::F16),
            "torch.BFloat16Storage" => Ok(Number::Bf16),
            _ => Err(class),
        };
        Ok(Storage {
            key: key.to_owned(),
            number,
        })
    }

    fn push(&mut self, value: Value) {
        self.stack.push(Id(self.values.len()));
        self.values.push(value);
    }

    fn pop(&mut self) -> Result<Id, FormatError> {
        let floor = self.marks.last().copied().unwrap_or(0);
        if self.stack.len() <= floor {
            return Err(broken("its pickle takes more than it has"));
        }
        self.stack
            .pop()
            .ok_or_else(|| broken("its pickle takes more than it has"))
    }

    fn pop_many(&mut self, count: usize) -> Result<Vec<Id>, FormatError> {
        let mut items = (0..count)
            .map(|_| self.pop())
            .collect::<Result<Vec<_>, _>>()?;
        items.reverse();
        Ok(items)
    }

    fn pop_marked(&mut self) -> Result<Vec<Id>, FormatError> {
        let mark = self
            .marks
            .pop()
            .ok_or_else(|| broken("its pickle lacks a mark"))?;
        // Nothing is taken from below a mark, so the stack reaches up to it.
        Ok(self.stack.split_off(mark))
    }

    fn top(&self) -> Result<Id, FormatError> {
        let top = self.stack.last().copied();
        top.ok_or_else(|| broken("its pickle takes more than it has"))
    }

    fn append(&mut self, items: Vec<Id>) -> Result<(), FormatError> {
        let list = self.top()?;
        match &mut self.values[list.0] {
            Value::Sequence(list) => list.extend(items),
            // Sets are of no use.
            Value::Other => {}
            _ => return Err(broken("its pickle appends to what is no list")),
        }
        Ok(())
    }

    fn set_items(&mut self, items: &[Id]) -> Result<(), FormatError> {
        let dict = self.top()?;
        let (Value::Dict(dict), (pairs, [])) = (&mut self.values[dict.0], items.as_chunks::<2>())
        else {
            return Err(broken("its pickle has a broken dictionary"));
        };
        dict.extend(pairs.iter().map(|&[key, value]| (key, value)));
        Ok(())
    }

    fn memoize(&mut self, key: usize) -> Result<(), FormatError> {
        let top = self.top()?;
        self.memo.insert(key, top);
        Ok(())
    }

    fn recall(&mut self, key: usize) -> Result<(), FormatError> {
        let id = self.memo.get(&key).copied();
        let id = id.ok_or_else(|| broken("its pickle recalls what it never memoized"))?;
        self.stack.push(id);
        Ok(())
    }

    fn global(&self, id: Id) -> Result<String, FormatError> {
        match &self.values[id.0] {
            Value::Global(name) => Ok(name.clone()),
            _ => Err(broken("its pickle calls what is no name")),
        }
    }

    fn sequence(&self, id: Id) -> Result<&[Id], FormatError> {
        match &self.values[id.0] {
            Value::Sequence(items) => Ok(items),
            _ => Err(broken("its pickle lacks a list where one belongs")),
        }
    }

    fn texts<const N: usize>(&self, ids: &[Id]) -> Result<[&str; N], FormatError> {
        let mut texts = [""; N];
        for (text, id) in texts.iter_mut().zip(ids) {
            match &self.values[id.0] {
                Value::Text(value) => *text = value,
                _ => return Err(broken("its pickle lacks a text where one belongs")),
            }
        }
        Ok(texts)
    }

    fn length(&self, id: Id) -> Result<usize, FormatError> {
        match &self.values[id.0] {
            Value::Int(value) => usize::try_from(*value).ok(),
            _ => None,
        }
        .ok_or_else(|| broken("its pickle has a tensor of impossible size"))
    }

    fn lengths(&self, id: Id) -> Result<Vec<usize>, FormatError> {
        self.sequence(id)?
            .iter()
            .map(|&id| self.length(id))
            .collect()
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8], FormatError> {
        let taken = usize::try_from(length)
            .ok()
            .and_then(|length| self.bytes.split_at_checked(length));
        let (taken, rest) = taken.ok_or_else(|| broken("its pickle ends too early"))?;
        self.bytes = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], FormatError> {
        let (array, rest) = self
            .bytes
            .split_first_chunk()
            .ok_or_else(|| broken("its pickle ends too early"))?;
        self.bytes = rest;
        Ok(*array)
    }

    fn text(&mut self, length: u64) -> Result<(), FormatError> {
        let text = String::from_utf8_lossy(self.take(length)?).into_owned();
        self.push(Value::Text(text));
        Ok(())
    }

    fn line(&mut self) -> Result<String, FormatError> {
        let end = self.bytes.iter().position(|&byte| byte == b'\n');
        let end = end.ok_or_else(|| broken("its pickle ends too early"))?;
        let line = String::from_utf8_lossy(&self.bytes[..end]).into_owned();
        self.bytes = &self.bytes[end + 1..];
        Ok(line)
    }

    /// An integer of up to 8 bytes, little-endian.
    fn long(&mut self) -> Result<(), FormatError> {
        let [length] = self.array()?;
        let bytes = self.take(length.into())?;
        if bytes.len() > 8 {
            // Such as the seeds of random generators: of no use.
            self.push(Value::Other);
            return Ok(());
        }
        let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
        let mut whole = [if negative { 0xff } else { 0 }; 8];
        whole[..bytes.len()].copy_from_slice(bytes);
        self.push(Value::Int(i64::from_le_bytes(whole)));
        Ok(())
    }
}
