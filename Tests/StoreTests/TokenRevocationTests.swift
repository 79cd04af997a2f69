import Dispatch
import Links
import Primitives
import Store
import Synchronization
import Testing

/// Revocations of tokens, which stand among keys.
@Suite struct TokenRevocationTests {
    let directory = TemporaryDirectory()
    let clock = TestClock()

    private func revoke(_ claim: TokenClaim, _ text: String, _ store: Store) throws -> StoredKey? {
        let done = DispatchSemaphore(value: 0)
        let result = Mutex<Result<StoredKey?, WriteError>?>(nil)
        store.revokeTokens(claim, text) { outcome in
            result.withLock { $0 = outcome }
            done.signal()
        }
        done.wait()
        return try result.withLock { $0! }.get()
    }

    private func found(_ claim: TokenClaim, _ text: String, _ store: Store) throws -> StoredKey? {
        guard case .key(let key) = try store.findKey(SHA256Hasher().id(revoking: claim, text)) else { return nil }
        return key
    }

    /// A token once and for all, a subject as often as it is said: what changes nothing writes nothing.
    @Test func rows() throws {
        try withStore(settings(directory, clock: clock)) { store in
            #expect(try found(.jti, "one", store) == nil)
            let first = try #require(try revoke(.jti, "one", store))
            #expect(
                first.body.state(at: clock.now) == .revoked && first.body.revokes == .jti && first.body.label == "one")
            clock.advance(milliseconds: 1000)
            #expect(try revoke(.jti, "one", store)?.createdAt == first.createdAt)
            #expect(store.figures.head == 1)
            // The same text of the other claim is something else.
            #expect(try found(.sub, "one", store) == nil)
            let second = try #require(try revoke(.sub, "one", store))
            clock.advance(milliseconds: 1000)
            let third = try #require(try revoke(.sub, "one", store))
            #expect(third.createdAt.milliseconds == second.createdAt.milliseconds + 1000 && store.figures.head == 3)
        }
        try withStore(settings(directory, clock: clock)) { store in
            let row = try #require(try found(.sub, "one", store))
            #expect(row.body.revokes == .sub && row.createdAt == clock.now)
            #expect(try store.allKeys().keys.count == 2)
        }
        #expect(try StoreInspection(directory: directory.store).problems == [])
    }
}
