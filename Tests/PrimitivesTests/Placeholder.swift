import Testing
import Primitives
@Test func placeholder() { #expect(Bool(true)) }
