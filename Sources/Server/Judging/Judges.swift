import Glibc
import Links
import Primitives
import Store

/// All that judges where the links of a node lead.
final class Judges: Sendable {
    let lists: ListJudge
    /// Nil: no service is asked.
    let lookups: LookupFollower?

    /// - Throws: a `BlockListFileError` or a `StoreError`.
    init(
        _ store: Store, _ live: LiveConfiguration, _ moderation: Moderation, lookupKey: String?,
        now: @escaping @Sendable () -> Instant
    ) throws {
        lists = try ListJudge(store, live, moderation, now: now)
        let configuration = live.value
        lookups = try configuration.lookupService.map { url in
            let service = LookupService(
                url, key: lookupKey, timeoutMilliseconds: configuration.lookupServiceTimeoutMilliseconds)
            return try LookupFollower(store, service, moderation)
        }
    }

    /// To be called once.
    func start() {
        lists.start()
        lookups?.start()
    }

    /// Before the store is closed.
    func close() {
        lists.close()
        lookups?.close()
    }
}

extension Configuration {
    /// What `lookup_service_key_file` holds; nil if it is none.
    func readLookupKey(user: uid_t?) throws(SecretFileError) -> String? {
        guard let path = lookupServiceKeyFile else { return nil }
        let key = try SecretFile.read(path, sizes: LookupService.keyBytes, user: user)
        guard key.allSatisfy({ $0.isLetterOrDigit || [UInt8(ascii: "-"), UInt8(ascii: "_")].contains($0) }) else {
            throw SecretFileError(path: path, reason: "it has other characters than letters, digits, - and _")
        }
        return String(decoding: key, as: UTF8.self)
    }
}
