import Glibc

/// Why a secret's file cannot be used.
struct SecretFileError: Error, CustomStringConvertible {
    let path: String
    let reason: String
    var description: String { "\(path): \(reason)" }
}

/// The file that `code_secret_file` names: at least 32 bytes, white space at its ends not counted, for its owner only.
enum CodeSecretFile {
    static let sizeBytes = 32...4096

    static func read(_ path: String) throws(SecretFileError) -> [UInt8] {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { throw SecretFileError(path: path, reason: String(cString: strerror(errno))) }
        defer { close(file) }
        var status = stat()
        guard fstat(file, &status) == 0, status.st_mode & 0o077 == 0 else {
            throw SecretFileError(path: path, reason: "others may read it; `chmod 600` it")
        }
        var bytes = [UInt8](repeating: 0, count: sizeBytes.upperBound + 1)
        let count = Glibc.read(file, &bytes, bytes.count)
        guard count >= 0 else { throw SecretFileError(path: path, reason: String(cString: strerror(errno))) }
        func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }
        let secret = Array(bytes[..<count].drop(while: isSpace).reversed().drop(while: isSpace).reversed())
        guard sizeBytes.contains(secret.count) else {
            throw SecretFileError(
                path: path,
                reason: "it has \(secret.count) bytes; \(sizeBytes.lowerBound) to \(sizeBytes.upperBound) are right")
        }
        return secret
    }
}
