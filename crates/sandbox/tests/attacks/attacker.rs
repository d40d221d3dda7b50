//! .
pub fn main(a: &[String]) {
    println!("hello {a:?}");
}
