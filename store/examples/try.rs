//! try
use modstore::*;
struct P;
impl Events for P {
    fn happened(&self, e: Event<'_>) {
        eprintln!("{e:?}");
    }
}
fn main() {
    let home = std::env::args().nth(1).unwrap();
    let s = Store::open(home.as_ref(), Options::default()).unwrap();
    let t = std::time::Instant::now();
    let r = s.update(&UpdateRequest::default(), &P, &Cancel::new());
    eprintln!("{:#?} {:?}", r, t.elapsed());
}
