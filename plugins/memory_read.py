import torch


def memory_read(query, keys, values, valid):
    s = torch.matmul(keys.transpose(2, 3), query) / query.shape[0] ** 0.5
    s = torch.where((valid > 0)[:, :, None, None], s, torch.full_like(s, -1e30)).flatten(1, 2)
    a = torch.softmax(s, 1)
    return torch.matmul(values.transpose(1, 2).flatten(2), a)
