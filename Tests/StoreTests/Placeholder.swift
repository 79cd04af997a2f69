import Testing
import Store
@Test func placeholder() { #expect(Bool(true)) }
