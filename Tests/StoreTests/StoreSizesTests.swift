import Links
import Store
import Testing

@Test func sizesAreThoseOfTheTables() throws {
    let directory = TemporaryDirectory()
    let clock = TestClock()
    let store = try Store(settings(directory, clock: clock))
    clock.advance(milliseconds: 1000)  // What a node may issue gathers with time.
    for number in 0..<40 { _ = try store.createAndWait("https://example.com/\(number)") }
    _ = try store.createAndWait("https://example.com/", alias: "name")
    store.close()

    let sizes = try StoreSizes(directory: directory.store)
    let rows = Dictionary(uniqueKeysWithValues: sizes.tables.map { ($0.name, $0.rowCount) })
    #expect(rows["links/10"] == 40)
    #expect(rows["aliases"] == 1)
    #expect(rows["log"] == 41)
    #expect(rows["snowflakes"] == nil)
    #expect(sizes.tables.allSatisfy { $0.sizeBytes >= 4096 && $0.sizeBytes % 4096 == 0 })
    #expect(sizes.tables.reduce(0) { $0 + $1.sizeBytes } + sizes.freeBytes <= sizes.usedBytes)
    #expect(throws: StoreError.self) { try StoreSizes(directory: directory.path) }
}
