import Glibc
import Links
import Primitives

/// A file of `block_lists` cannot be used.
struct BlockListFileError: Error, CustomStringConvertible {
    let path: String
    let reason: String
    var description: String { "\(path): \(reason)" }
}

/// Reads the files of `block_lists`.
enum BlockListFiles {
    private static let pieceBytes = 1 << 16

    /// Under which blocks by it are written: the file's name without its directories.
    static func name(of path: String) -> String { String(path.split(separator: "/").last ?? "") }

    /// All of them in one, or nothing. Takes seconds for millions of lines, and never more memory than the table and a piece.
    /// `isEnding` is asked often: nobody wants them any more.
    static func read(
        _ paths: [String], isEnding: () -> Bool = { false }
    ) throws(BlockListFileError) -> BlockList {
        var reader = BlockListReader()
        for path in paths {
            reader.begin(name(of: path))
            try read(path, into: &reader, isEnding)
        }
        return reader.finish()
    }

    private static func read(
        _ path: String, into reader: inout BlockListReader, _ isEnding: () -> Bool
    ) throws(BlockListFileError) {
        func failed() -> BlockListFileError {
            BlockListFileError(path: path, reason: String(cString: strerror(errno)))
        }
        // A pipe without a writer would be waited for.
        let file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard file >= 0 else { throw failed() }
        defer { close(file) }
        var status = stat()
        guard fstat(file, &status) == 0 else { throw failed() }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw BlockListFileError(path: path, reason: "it is no file")
        }
        do throws(BlockListError) {
            var piece = [UInt8](repeating: 0, count: pieceBytes)
            var isEmpty = true
            while true {
                if isEnding() { break }
                let count = Glibc.read(file, &piece, pieceBytes)
                if count < 0, errno == EINTR { continue }
                guard count >= 0 else { break }
                if count == 0 {
                    // So a download that failed looks, and it would lift every block of its list.
                    if isEmpty { throw BlockListError.empty }
                    return try reader.end()
                }
                isEmpty = false
                try reader.read(count == pieceBytes ? piece : Array(piece[..<count]))
            }
        } catch {
            throw BlockListFileError(path: path, reason: error.description)
        }
        throw isEnding() ? BlockListFileError(path: path, reason: "the node is stopping") : failed()
    }
}
