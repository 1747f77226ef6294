// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC1155} from "@openzeppelin/contracts/token/ERC1155/IERC1155.sol";
import {ERC165, IERC165} from "@openzeppelin/contracts/utils/introspection/ERC165.sol";

import {IAccessToken} from "./interfaces/IAccessToken.sol";

/// @title BoundToken
/// @notice The ERC-1155 face of the access token: balances can be read, nothing can be moved and nobody approved.
/// It keeps nothing; who holds what is decided by the contract that builds on it.
abstract contract BoundToken is IAccessToken, ERC165 {
    // ---------------------------------------------------------------- bound to the holder

    /// @inheritdoc IERC1155
    function setApprovalForAll(address, bool) external pure {
        revert AccessToken_NotTransferable();
    }

    /// @inheritdoc IERC1155
    function safeTransferFrom(address, address, uint256, uint256, bytes calldata) external pure {
        revert AccessToken_NotTransferable();
    }

    /// @inheritdoc IERC1155
    function safeBatchTransferFrom(address, address, uint256[] calldata, uint256[] calldata, bytes calldata)
        external
        pure
    {
        revert AccessToken_NotTransferable();
    }

    // ---------------------------------------------------------------- views

    /// @inheritdoc IERC1155
    function balanceOfBatch(address[] calldata holders, uint256[] calldata ids)
        external
        view
        returns (uint256[] memory balances)
    {
        require(holders.length == ids.length, AccessToken_LengthMismatch(holders.length, ids.length));
        balances = new uint256[](ids.length);
        for (uint256 i = 0; i < ids.length; ++i) {
            balances[i] = balanceOf(holders[i], ids[i]);
        }
    }

    /// @inheritdoc IERC1155
    function isApprovedForAll(address, address) external pure returns (bool) {
        return false;
    }

    /// @inheritdoc IERC1155
    function balanceOf(address holder, uint256 id) public view virtual returns (uint256);

    /// @inheritdoc IERC165
    function supportsInterface(bytes4 interfaceId) public view override(ERC165, IERC165) returns (bool) {
        return interfaceId == type(IERC1155).interfaceId || interfaceId == type(IAccessToken).interfaceId
            || super.supportsInterface(interfaceId);
    }

    // ---------------------------------------------------------------- internals

    function _emitMint(address operator, address holder, uint256 id) internal {
        emit TransferSingle(operator, address(0), holder, id, 1);
    }

    function _emitBurn(address operator, address holder, uint256 id) internal {
        emit TransferSingle(operator, holder, address(0), id, 1);
    }
}
