"""Networks: the paper's, the fast one, those of the comparison; and the forms that devices compute them in."""
